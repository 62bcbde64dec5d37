/** A clue to what a service speaks, and how it is asked for one: what the detections of all protocols share. */
import type { Effect } from "effect"
import * as Decode from "../service/Decode.ts"
import { type Answer, isSuccess } from "../service/Exchange.ts"
import type { Health } from "../Transport.ts"
import type * as OpenApiRoutes from "./OpenApiRoutes.ts"
import * as Errors from "./protocol/Errors.ts"
import type { Protocol, Question } from "./protocol/Protocol.ts"
import type { ProtocolName } from "./protocol/Protocols.ts"

/** Asks for a path: the same answer for the same path, and `undefined` where there is none, or no question is left. */
export interface Ask {
  readonly get: (path: string) => Effect.Effect<Answer | undefined>
  /** With this as its JSON, or without a body. */
  readonly post: (path: string, json?: object) => Effect.Effect<Answer | undefined>
  /** What was answered so far, in order. */
  readonly answers: () => ReadonlyArray<Answer>
}

/** What the caller knows already. */
export interface Known {
  readonly model: string | undefined
}

export type Certainty = "sure" | "likely" | "possible"

/** A protocol that the answers speak for. */
export interface Clue {
  /** As in configuration, such as `inspection`. */
  readonly protocol: ProtocolName
  readonly certainty: Certainty
  /** The answers that speak for it, such as `GET /ping has the status Healthy`. */
  readonly signs: ReadonlyArray<string>
  /** Where the answers name it, and the caller does not. */
  readonly model?: string | undefined
  /** What it takes, in words. */
  readonly limits?: ReadonlyArray<string> | undefined
  readonly health?: Question<Health> | undefined
  readonly describe?: Protocol["describe"] | undefined
  /** What was found out of how it is called. */
  readonly settings?: OpenApiRoutes.RouteSettings | undefined
  /** How it is called is not known in whole: what is made of it would not work. */
  readonly lacks?: string | undefined
  readonly needsKey?: boolean | undefined
  /** The header that carries the key, where it is another than `Authorization`. */
  readonly keyHeader?: string | undefined
}

/** Looks for the signs of one protocol. */
export type Detect = (ask: Ask, known: Known) => Effect.Effect<Clue | undefined>

/** The fields of an answer in JSON; none where it is something else. */
export const bodyOf = (answer: Answer | undefined): Readonly<Record<string, unknown>> => {
  const json = answer === undefined ? undefined : Errors.jsonOf(answer)
  return Errors.isRecord(json) ? json : {}
}

const isHtml = (answer: Answer): boolean =>
  /html/i.test(answer.headers["content-type"] ?? "") ||
  /^\s*<(!doctype|html)/i.test(Decode.text(answer).slice(0, 200))

/** A success that is no page for people, and not what this service answers to everything. */
export const isOk = (ask: Ask, answer: Answer | undefined): boolean => {
  if (answer === undefined || !isSuccess(answer) || isHtml(answer)) return false
  const [first] = ask.answers()
  return (
    first === undefined || first === answer || !isSuccess(first) || Decode.text(first) !== Decode.text(answer)
  )
}
