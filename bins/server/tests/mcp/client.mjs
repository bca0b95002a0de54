// The official TypeScript client, in its current and its previous generation, as a backend would use it: URL and key from the
// environment, one JSON line out for each client.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { URL: url, KEY: key, TOOL, ARGUMENTS } = process.env;
const calls = TOOL ? [[TOOL, JSON.parse(ARGUMENTS)]] : [
  ["whoami", {}],
  ["create_registered_user", { origin_user_id: `ts-${process.pid}` }],
  ["list_registered_users", { limit: 1 }],
];

for (const [generation, AnyClient, Transport] of [["2", Client, StreamableHTTPClientTransport], ["1", OldClient, OldTransport]]) {
  const client = new AnyClient({ name: "doorward-test", version: generation });
  const headers = { Authorization: `Bearer ${key}` };
  await client.connect(new Transport(new URL(url), { requestInit: { headers } }));
  const { tools } = await client.listTools();
  const results = [];
  for (const [name, args] of calls) {
    if (!TOOL && args.origin_user_id) args.origin_user_id += `-${generation}`;
    const result = await client.callTool({ name, arguments: args });
    results.push({ is_error: result.isError ?? false, structured: result.structuredContent, content: result.content });
  }
  console.log(JSON.stringify({ generation, tools: tools.map((tool) => tool.name), results }));
  await client.close();
}
