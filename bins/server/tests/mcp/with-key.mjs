// The conformance suite sends no credential. This proxy adds the credential to its requests, and changes nothing else.
import http from "node:http";

const { URL: url, KEY: key } = process.env;
const to = new URL(url);

const listener = http.createServer((request, response) => {
  const headers = { ...request.headers, authorization: `Bearer ${key}` };
  const onward = http.request({ host: to.hostname, port: to.port, path: request.url, method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
  request.pipe(onward);
});
listener.listen(0, "127.0.0.1", () => console.log(`http://localhost:${listener.address().port}${to.pathname}`));
