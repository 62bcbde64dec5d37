/**
 * What an exchange, and the client beneath it, take from the environment: limits, redirects, headers, connections.
 */
import { Effect } from "effect"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import * as Variable from "../policy/Variable.ts"
import type { ExchangeOptions } from "./Exchange.ts"

type Followed = "refuse" | "any" | ReadonlyArray<string>

/** A host as `Hosts` takes it: a name with or without a port, or `*.` and a name. */
const isHost = (text: string): boolean => /^(\*\.)?[a-z\d-]+(\.[a-z\d-]+)*(:\d{1,5})?$/i.test(text)

/** The table that `load` reads and the documentation lists. */
export const variables = {
  redirects: Variable.make<Followed>(
    "SEGFORMER_REDIRECTS",
    { sets: "which redirects are followed", default: "`refuse`" },
    {
      takes: "`refuse`, `same-origin`, `any`, or hosts such as `a.example.com, *.example.org`",
      parse: (text) => {
        if (text === "refuse" || text === "any") return text
        if (text === "same-origin") return []
        const hosts = text.split(",").map((host) => host.trim())
        return hosts.every(isHost) ? hosts : undefined
      }
    }
  ),
  maxRedirects: Variable.whole(
    "SEGFORMER_MAX_REDIRECTS",
    { sets: "redirects that are followed one after the other", default: "5" },
    1
  ),
  maxBodyBytes: Variable.bytes("SEGFORMER_MAX_BODY_BYTES", {
    sets: "largest answer, as it comes over the wire",
    default: "64 MiB"
  }),
  maxDecodedBytes: Variable.bytes("SEGFORMER_MAX_DECODED_BYTES", {
    sets: "largest answer, decompressed",
    default: "256 MiB"
  }),
  idempotencyHeader: Variable.orOff(
    Variable.make(
      "SEGFORMER_IDEMPOTENCY_HEADER",
      { sets: "header that carries a call's key, the same on each attempt", default: "`Idempotency-Key`" },
      {
        takes: "the name of a header",
        parse: (text) => (/^[\w!#$%&'*+.^`|~-]+$/.test(text) ? text : undefined)
      }
    )
  )
}

/** The size of the connection pool, which is the client's and not the exchange's: `NodeHttp.config` reads it. */
export const poolSize = Variable.whole(
  "SEGFORMER_POOL_SIZE",
  {
    sets: "connections to one origin at most, with `NodeHttp.config`",
    default: "one for each request under way"
  },
  1
)

/** What the environment sets of an exchange, by a reader that also reads other things. */
export const read = Effect.fnUntraced(function* (
  reader: Variable.Reader
): Effect.fn.Return<Pick<ExchangeOptions, "limits" | "redirects" | "idempotencyHeader">> {
  const from = reader.read
  const followed = yield* from(variables.redirects)
  const max = yield* from(variables.maxRedirects)
  const maxBodyBytes = yield* from(variables.maxBodyBytes)
  const maxDecodedBytes = yield* from(variables.maxDecodedBytes)
  if (max !== undefined && (followed === undefined || followed === "refuse")) {
    reader.object(variables.maxRedirects, `is set, but ${variables.redirects.name} follows none`)
  }
  return omitUndefined({
    redirects:
      followed === undefined || followed === "refuse" ? followed : omitUndefined({ max, hosts: followed }),
    limits:
      maxBodyBytes === undefined && maxDecodedBytes === undefined
        ? undefined
        : {
            ...(maxBodyBytes === undefined ? {} : { maxBodyBytes }),
            ...(maxDecodedBytes === undefined ? {} : { maxDecodedBytes })
          },
    idempotencyHeader: yield* from(variables.idempotencyHeader)
  })
})
