/** What a server is told: where it listens, what it takes, who may ask. */
import type { Effect, Layer, Redacted } from "effect"
import type { Transport } from "../Transport.ts"
import type { Active, Caller } from "./Caller.ts"
import type { Dialect } from "./Dialect.ts"
import type { JobsOptions } from "./jobs/JobsOptions.ts"
import type { Refusal } from "./Refusal.ts"
import type { RouteLimits, ServerLimitsInput } from "./ServerLimits.ts"

/** With any of the server's limits. `E` and `R` are those of `models`. */
export interface SegFormerServerOptions<out E = never, out R = never> extends ServerLimitsInput {
  /** 127.0.0.1 by default: this machine only. */
  readonly host?: string | undefined
  /** 8080 by default; 0 for any that is free. */
  readonly port?: number | undefined
  /** The inspection service's by default. The first one has paths that several have, and answers for those that none has. */
  readonly dialects?: ReadonlyArray<Dialect> | undefined
  /**
   * What the model is called in requests that name one. As the segmenter calls it by default; `segformer` is understood
   * as well.
   */
  readonly name?: string | undefined
  /** Further models by name, for `/v1/segment?model=name`. Dialects have the one that is provided as `Transport`. */
  readonly models?: Readonly<Record<string, Layer.Layer<Transport, E, R>>> | undefined
  /** Jobs at `/v1/jobs`. On by default, in a temporary folder. */
  readonly jobs?: JobsOptions | false | undefined
  /** The page at `/`. On by default. */
  readonly page?: boolean | undefined

  /** Whoever sends one of these as bearer token, or as password of basic authentication, may come in. Without tokens and `authorize` everybody may. */
  readonly tokens?: ReadonlyArray<Redacted.Redacted> | undefined
  /**
   * Asked about tokens that are none of `tokens`: whose it is, or whether it is good. It may refuse with 401, 403,
   * 429 or 503; any other refusal is told as 503, and logged.
   */
  readonly authorize?: ((token: Redacted.Redacted) => Effect.Effect<boolean | Caller, Refusal>) | undefined
  /** Told of each image that `/v1/segment` has segmented, and for whom. The answer waits for it. */
  readonly active?: Active | undefined
  /**
   * Listen on other addresses than loopback although everybody may come in, and answer to any name: a server without tokens
   * refuses requests whose `Host` is none of this machine's own. Off by default.
   */
  readonly allowAnyone?: boolean | undefined
  /**
   * Whoever asks from one of these addresses may come in without a token, by address, network (`172.16.0.0/12`) or
   * `loopback`: for tools that send none. Others need a token, or are refused where there are none. Nobody by default.
   */
  readonly allowFrom?: ReadonlyArray<string> | undefined

  /**
   * Proxies before this server, by address, network (`10.0.0.0/8`) or `loopback`: what they say in `X-Forwarded-For`, or
   * else in `Forwarded`, of where a request comes from is believed, and limits by address are its. None by default.
   */
  readonly trustProxy?: ReadonlyArray<string> | undefined
  /**
   * Origins whose pages may ask and read answers, such as `https://app.example`; `*` for all. None by default: pages of
   * others may change nothing here, and read nothing.
   */
  readonly cors?: ReadonlyArray<string> | undefined

  /** Stricter limits by dialect (`inspection`, …), and for `v1`. */
  readonly routes?: Readonly<Record<string, RouteLimits>> | undefined
}

/** This machine only. */
export const defaultHost = "127.0.0.1"
