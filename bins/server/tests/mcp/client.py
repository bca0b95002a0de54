"""The official Python client, as a backend would use it: URL and key from the environment, one JSON line out."""

import asyncio
import json
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main() -> None:
    headers = {"Authorization": f"Bearer {os.environ['KEY']}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        async with Client(streamable_http_client(os.environ["URL"], http_client=http)) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            who = await client.call_tool("whoami", {})
            made = await client.call_tool("create_registered_user", {"origin_user_id": f"py-{os.getpid()}"})
            print(json.dumps({
                "tools": tools,
                "results": [{"is_error": r.is_error, "structured": r.structured_content} for r in (who, made)],
            }))


asyncio.run(main())
