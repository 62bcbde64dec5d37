import { sentence } from "./Text.ts"

/** A request that gave no result. Its message is for people. */
export class Failure extends Error {
  /** 401 asks for a token; 0 where no answer came at all. */
  readonly status: number
  /** Seconds after which the server wants to be asked again, where it says so. */
  readonly retryAfter: number | undefined
  constructor(message: string, status: number, retryAfter?: number) {
    super(sentence(message))
    this.status = status
    this.retryAfter = retryAfter
  }
  /** An image that is refused for what it is will be refused again. */
  get isFinal(): boolean {
    return [400, 413, 415, 422].includes(this.status)
  }
}
