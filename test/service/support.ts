/** What the tests of this room share: an exchange with a server, attempts made by hand. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect } from "effect"
import { FetchHttpClient, type HttpClient } from "effect/http"
import type { Attempt } from "effect-segformer/policy"
import { Exchange, type ServiceError } from "effect-segformer/service"
import * as Eventually from "../support/Eventually.ts"
import type { TestServer } from "../support/TestServer.ts"

/** Both clients, for what must not depend on which one is used. */
export const clients = [
  ["undici", NodeHttpClient.layerUndici],
  ["fetch", FetchHttpClient.layer]
] as const

export const attempt = (over: Partial<Attempt> = {}): Attempt => ({
  callId: "call-1",
  idempotencyKey: "key-1",
  number: 1,
  timeout: undefined,
  phase: "preparing",
  ...over
})

type Options = Omit<Exchange.ExchangeOptions, "baseUrl">

/** One exchange with a server: its whole answer. */
export const send = (
  server: Pick<TestServer, "url">,
  options: Options = {},
  call: Partial<Exchange.Call> = {}
): Effect.Effect<Exchange.Answer, ServiceError, HttpClient.HttpClient> =>
  Effect.flatMap(Exchange.make({ baseUrl: server.url, ...options }), (exchange) =>
    exchange.send({ method: "GET", path: "/thing", ...call }, attempt())
  )

/** As `eventually` of test/support/Eventually.ts, for those who assert what it gives. */
export const eventually = (isSo: () => boolean): Effect.Effect<boolean> =>
  Effect.as(Eventually.eventually(isSo), true)

export const text = (answer: Exchange.Answer): string => new TextDecoder().decode(answer.body)
