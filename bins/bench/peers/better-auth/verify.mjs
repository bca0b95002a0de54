// better-auth's API-key plugin in its quickest documented form: keys in a secondary storage, here a map in this process, hashed;
// no rate limit, and deferred writes about uses.
//
// For each count on standard input, it prints the average nanoseconds of a verification over this number of verifications.

import { createInterface } from "node:readline";

import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";

const KEYS = 1000;

const stored = new Map();
const auth = betterAuth({
    advanced: { backgroundTasks: { handler: () => {} } },
    baseURL: "http://127.0.0.1",
    database: memoryAdapter({ account: [], apikey: [], session: [], user: [], verification: [] }),
    emailAndPassword: { enabled: true },
    logger: { disabled: true },
    plugins: [
        apiKey({
            customStorage: {
                delete: (key) => void stored.delete(key),
                get: (key) => stored.get(key) ?? null,
                set: (key, value) => void stored.set(key, value),
            },
            deferUpdates: true,
            rateLimit: { enabled: false },
            storage: "secondary-storage",
        }),
    ],
    secret: "of the bench, where it guards nothing",
    telemetry: { enabled: false },
});

const { user } = await auth.api.signUpEmail({ body: { email: "a@example.com", name: "a", password: "of the bench" } });
const keys = [];
for (let made = 0; made < KEYS; made += 1) {
    const { key } = await auth.api.createApiKey({ body: { userId: user.id } });
    keys.push(key);
}

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
    const count = Number(line);
    const started = process.hrtime.bigint();
    for (let done = 0; done < count; done += 1) {
        const key = keys[Math.floor(Math.random() * KEYS)];
        const { valid } = await auth.api.verifyApiKey({ body: { key } });
        if (!valid) throw new Error("a key that lives was refused");
    }
    console.log(Number(process.hrtime.bigint() - started) / count);
}
