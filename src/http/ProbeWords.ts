/** What a probe has met where it knows no protocol, in words, with what to do. */
import { Duration } from "effect"
import * as Decode from "../service/Decode.ts"
import { type Answer, isSuccess } from "../service/Exchange.ts"
import * as Message from "../service/Message.ts"
import { ConnectionFailed, excerpt, type ServiceError } from "../service/ServiceError.ts"
import * as Access from "./Access.ts"

/** What was asked, and what came. */
export interface Met {
  readonly answers: ReadonlyArray<Answer>
  /** Questions that had no answer within this. */
  readonly silent: number
  readonly timeout: Duration.Duration
  /** Why others had none. */
  readonly failures: ReadonlyArray<ServiceError>
  /** Whether a key was sent. */
  readonly given: boolean
}

/** Why no protocol was found in the answers. */
export const unknown = ({ answers, failures, given, silent, timeout }: Met): string => {
  const statuses = new Set(answers.map(({ status }) => status))
  const [status = 0] = statuses
  const asked = answers.length + silent + failures.length
  if (statuses.size === 1 && (status >= 500 || (status >= 400 && asked === answers.length))) {
    const all = `it answers every question with ${status}`
    if (status >= 502 && status <= 504)
      return `${all}, as a proxy does whose service is down or does not answer`
    if (status === 404) return `${all}: is the base URL right, with its path?`
    return [401, 403, 407].includes(status) ? `${all}: ${Access.advice(answers[0]!, given)}` : all
  }
  const said = answers.filter(isSuccess)
  const titles = said.map((answer) => Message.titleOf(Decode.text(answer)))
  const [title = ""] = titles
  if (said.length > 0 && titles.every((title) => title !== undefined))
    return (
      `it answers with a page of HTML${title === "" ? "" : ` ("${excerpt(title)}")`}, as a login or a page for people does: ` +
      "give the base URL of its API, and what lets you in (SEGFORMER_API_KEY, --header)"
    )
  const why = [
    ...(silent === 0
      ? []
      : [`${silent} of ${asked} questions had no answer within ${Duration.format(timeout)}`]),
    ...(failures.length === 0
      ? []
      : [`${failures.length} of ${asked} failed, the first so: ${ofFailure(failures[0]!)}`])
  ]
  return why.length === 0
    ? "it speaks no protocol known here: give one by SEGFORMER_PROTOCOL, or describe it in a settings file (--service)"
    : `it speaks no protocol known here, as far as it answers: ${why.join(", and ")}`
}

/** A failure of a question in words: what is too long for one is no caller's limit to raise. */
export const ofFailure = (failure: ServiceError): string =>
  failure._tag === "ResponseTooLarge"
    ? `The answer of ${failure.service} was broken off after ${failure.limit} bytes: no answer to a question is that long. Is this the base URL of its API?`
    : failure.message

/** A failure of all questions, with what it means. */
export const told = (failure: ServiceError): ServiceError => {
  if (failure._tag !== "ConnectionFailed" || failure.sent === "no" || failure.phase === "receiving")
    return failure
  const other = failure.service.startsWith("https:") ? "http://" : "https://"
  const detail = `it takes connections, and closes them without an answer (${failure.detail}). Is this its port, and does it speak ${other}?`
  return failure.isRetryable ? new ConnectionFailed({ ...failure, detail }) : failure
}

/** Nobody answers, and nothing fails. */
export const silence = (service: string, timeout: Duration.Duration): ConnectionFailed =>
  new ConnectionFailed({
    service,
    phase: "sending",
    sent: "maybe",
    detail: `it takes connections, and answers no question within ${Duration.format(timeout)}. Is it still starting, and is this its port?`
  })
