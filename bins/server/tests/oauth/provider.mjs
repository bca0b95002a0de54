// An OAuth server for the tests: `node provider.mjs REDIRECT_URI`. It prints its issuer on standard output, and ends with its
// standard input.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const redirectUri = process.argv[2];
const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "doorward",
      client_secret: "the+secret of/the=client",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
    },
  ],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  cookies: { keys: ["only for tests"] },
  // The ID token contains the claims too, as with most companies' providers.
  conformIdTokenClaims: false,
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"] },
  // "hire-with-the-address-of-grace" is another person with grace's address.
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: id,
      groups: id.startsWith("operator-") ? ["staff", "operators"] : ["staff"],
      email: `${id.replace(/^.*-with-the-address-of-/, "")}@example.com`,
      email_verified: id !== "mallory",
    }),
  }),
});
server.on("request", provider.callback());
console.log(issuer);
process.stdin.on("end", () => process.exit(0)).resume();
