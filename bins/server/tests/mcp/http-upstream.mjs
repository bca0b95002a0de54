// A plain HTTP server as a connector's upstream: it answers with the requested path and the request's data.
import http from "node:http";

const listener = http.createServer(async (request, response) => {
  const chunks = await Array.fromAsync(request);
  if (request.headers.authorization !== `Bearer ${process.env.TOKEN}` || request.method !== "POST") {
    response.writeHead(401).end();
    return;
  }
  if (request.url.endsWith("/refuse")) {
    response.writeHead(422, { "Content-Type": "text/plain" }).end("no");
    return;
  }
  const body = JSON.parse(Buffer.concat(chunks).toString());
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ path: request.url, body }));
});
listener.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${listener.address().port}/tools`));
