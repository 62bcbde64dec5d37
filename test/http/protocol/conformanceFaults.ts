/** What a service of any protocol gets wrong, and the error that each is. */
import { gzipSync } from "node:zlib"
import type { ServerResponse } from "node:http"
import { assert } from "@effect/vitest"
import { Duration, type Effect, type Scope } from "effect"
import type { Policy, SegmentationError, SegmentOptions } from "effect-segformer"
import type { Protocol, SegFormerHttp } from "effect-segformer/http"
import type { ImageCodec } from "effect-segformer/image"
import * as TestServer from "../../support/TestServer.ts"
import type * as Model from "../servers/Model.ts"

/** 16 MiB of zeros, packed once for all protocols. */
const bomb = gzipSync(Buffer.alloc(16 * 1024 * 1024))

/** What a server sends instead of the model's answer. */
export type Send = (response: ServerResponse) => void

export const json =
  (value: unknown, status = 200): Send =>
  (response) =>
    TestServer.sendJson(response, value, status)

export const text =
  (body: string | Uint8Array, type = "application/json", status = 200): Send =>
  (response) =>
    void response.writeHead(status, { "content-type": type }).end(body)

/** How the contents of an answer are wrong. A fault that a protocol cannot have is left out. */
export interface Contents {
  /** JSON, or what the protocol has, of another shape than it describes. */
  readonly wrongShape: Send
  /** `score: null`, where there are scores: this is well, and changes nothing. */
  readonly nullScore?: Send
  readonly notBase64?: Send
  readonly notPng?: Send
  /** Where the PNG ends early. */
  readonly cutPng?: Send
  /** A PNG of few bytes whose header promises far more pixels than the image has. */
  readonly hugePng?: Send
  readonly notANumber?: Send
  readonly outOfRange?: Send
  /** The label map at half the size. */
  readonly otherSize?: Send
}

export interface Subject {
  readonly name: string
  readonly server: Effect.Effect<Model.ModelServer, never, Scope.Scope>
  readonly protocol: Effect.Effect<Protocol, never, ImageCodec>
  /** An error's body as the protocol has it. */
  readonly errorBody: (message: string) => unknown
  readonly contents: Contents
  /** Its requests are repeated, and the job they make up counts as one attempt. */
  readonly isJob?: boolean
}

const message = "the lamp is off"

/** Fast retries, so that a test of four attempts takes milliseconds. */
export const policy: Policy.PolicyOptions = {
  // What each protocol does by itself about services with a price is in Priced.test.ts.
  resend: "always",
  retry: { delay: "1 millis" },
  attemptTimeout: "5 seconds",
  breaker: false,
  retryBudget: false
}

export interface Options extends SegmentOptions {
  readonly limits?: undefined
  readonly http?: Partial<SegFormerHttp.SegFormerHttpOptions>
}

type Tag = SegmentationError["_tag"]

interface Fault {
  readonly name: string
  readonly send: (subject: Subject) => Send | undefined
  readonly tag: Tag
  /** Requests for a prediction that reach the service. */
  readonly requests: number
  readonly options?: Options
  /** Time stands still until it has been sent, and then passes. */
  readonly stalls?: boolean
  readonly check?: (error: SegmentationError) => void
}

const status =
  (code: number, headers: Record<string, string> = {}): Fault["send"] =>
  (subject) =>
  (response) =>
    TestServer.sendJson(response, subject.errorBody(message), code, headers)

const says = (error: SegmentationError) =>
  assert.include("detail" in error ? error.detail : "", message, "the service's own words")

const undecodable = (name: string, send: Fault["send"], words = ""): Fault => ({
  name,
  send,
  tag: "ResponseNotDecodable",
  requests: 1,
  check: (error) => {
    assert.isTrue(error._tag === "ResponseNotDecodable" && error.excerpt.length <= 200)
    assert.isFalse(error.isRetryable)
    assert.include(error.message, words)
  }
})

/** What says so in the service's own words. */
const said = (code: number, tag: Tag, requests: number): Fault => ({
  name: requests > 1 ? `${code} for ever` : String(code),
  send: status(code),
  tag,
  requests,
  check: says
})

/** Besides, it names the field, unless it is the whole body that is wrong. */
export const faults: ReadonlyArray<Fault> = [
  {
    name: "a reset before headers",
    send: () => (response) => response.destroy(),
    tag: "ConnectionFailed",
    requests: 4
  },
  {
    name: "a reset in the middle of the body",
    send: () => (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": 10_000 })
      response.write("[{", () => response.destroy())
    },
    tag: "ConnectionFailed",
    requests: 4
  },
  {
    name: "a body that stalls",
    send: () => (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": 10_000 })
      response.write("[{")
    },
    tag: "TimedOut",
    requests: 1,
    stalls: true,
    options: { http: { policy: { ...policy, retry: false, attemptTimeout: "1 second" } } }
  },
  undecodable("truncated JSON", () => text('{"predictions": [{"a')),
  undecodable("an empty body", () => text("")),
  undecodable("an HTML page with status 200", () =>
    text(`<!doctype html><title>Sign in</title>${" ".repeat(2000)}`, "text/html")
  ),
  undecodable("another shape", ({ contents }) => contents.wrongShape),
  undecodable("base64 that is none", ({ contents }) => contents.notBase64),
  undecodable("a PNG that is none", ({ contents }) => contents.notPng),
  undecodable("a PNG that is cut off", ({ contents }) => contents.cutPng),
  undecodable(
    "a PNG of 81 million pixels for an image of 1,536",
    ({ contents }) => contents.hugePng,
    "9000 x 9000 pixels are more than"
  ),
  undecodable("NaN", ({ contents }) => contents.notANumber),
  undecodable("class ids out of range", ({ contents }) => contents.outOfRange),
  {
    name: "a mask of another size, where that is refused",
    send: ({ contents }) => contents.otherSize,
    tag: "MaskNotDecodable",
    requests: 1,
    options: { otherSize: "refuse" },
    check: (error) => assert.include(error.message, "24 x 16")
  },
  said(401, "Unauthorized", 1),
  said(403, "Unauthorized", 1),
  said(404, "NotFound", 1),
  said(413, "RequestRejected", 1),
  said(422, "RequestRejected", 1),
  {
    name: "429 that asks to wait longer than the cap",
    send: status(429, { "retry-after": "120" }),
    tag: "RateLimited",
    requests: 1,
    check: (error) => {
      says(error)
      assert.isTrue(
        error._tag === "RateLimited" &&
          error.retryAfter !== undefined &&
          Duration.toSeconds(error.retryAfter) === 120
      )
    }
  },
  said(429, "RateLimited", 4),
  said(500, "ServiceFailed", 4),
  {
    name: "503 for ever",
    send: (subject) => (subject.name === "inspection" ? undefined : status(503)(subject)),
    tag: "ServiceUnavailable",
    requests: 4,
    check: says
  },
  {
    // Its word for a model that is not there yet.
    name: "503 for ever of the inspection service",
    send: (subject) => (subject.name === "inspection" ? status(503)(subject) : undefined),
    tag: "ModelLoading",
    requests: 4,
    check: says
  },
  said(504, "ServiceUnavailable", 4),
  {
    name: "a redirect",
    send: () => (response) =>
      void response.writeHead(307, { location: "http://127.0.0.1:9/elsewhere" }).end(),
    tag: "RedirectRefused",
    requests: 1
  },
  {
    name: "a body larger than the limit",
    send: () => (response) => {
      response.writeHead(200, { "content-type": "application/json" })
      response.end(Buffer.alloc(300_000, " "))
    },
    tag: "ResponseTooLarge",
    requests: 1,
    options: { http: { limits: { maxBodyBytes: 100_000 } } }
  },
  {
    name: "a gzip bomb",
    send: () => (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
      response.end(bomb)
    },
    tag: "ResponseTooLarge",
    requests: 1,
    options: { http: { limits: { maxDecodedBytes: 1024 * 1024 } } }
  }
]
