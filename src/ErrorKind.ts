/** What errors of one kind all say of themselves, said once: where the fault lies, and whether trying again may help. */
import { type Cause, Duration, Schema } from "effect"

export interface Facts {
  readonly isRetryable?: boolean
  readonly isTransient?: boolean
  readonly concerns?: "image" | "service" | "model" | "caller"
  /** The other side did no work for it. */
  readonly wasRefused?: boolean
  /** The HTTP status. */
  readonly status?: number
}

/** `Schema.TaggedError` for errors of one kind. */
export type ErrorKind<F> = <Self>() => <Tag extends string, const Fields extends Schema.Struct.Fields>(
  tag: Tag,
  fields: Fields
) => Schema.Class<Self, Schema.TaggedStruct<Tag, Fields>, Cause.YieldableError & Readonly<F>>

/** The facts are of the class, not of the error: they are none of its fields, and not encoded with it. */
export function make<F extends Facts>(facts: F): ErrorKind<F>
export function make(facts: Facts): unknown {
  return () => (tag: string, fields: Schema.Struct.Fields) => {
    const made = Schema.TaggedError<object, Facts>()(tag, fields)
    Object.defineProperties(Reflect.get(made, "prototype"), Object.getOwnPropertyDescriptors(facts))
    return made
  }
}

/** Where the fault lies, of what is the same each time. */
export const ofImage = make({ concerns: "image", isRetryable: false, isTransient: false })
export const ofService = make({ concerns: "service", isRetryable: false, isTransient: false })
export const ofModel = make({ concerns: "model", isRetryable: false, isTransient: false })
export const ofCaller = make({ concerns: "caller", isRetryable: false, isTransient: false })

/** What others do now, and not for ever: this call is over, a later one may go well. */
export const forNow = make({ concerns: "caller", isRetryable: false, isTransient: true })

/** Of a service that may be well again in a moment. */
export const passing = make({ concerns: "service", isRetryable: true, isTransient: true })

/** What the other side said, in a message. */
export const said = (detail: string): string => (detail === "" ? "" : `: ${detail}`)

/** When to come back, where the other side said so. */
export const wait = (error: { readonly retryAfter?: Duration.Duration | undefined }): string =>
  error.retryAfter === undefined ? "" : `. It asks to wait ${Duration.format(error.retryAfter)}`

/**
 * An option that is one of its words, or is not said. Throws a `RangeError`, as a mistake of the program, for any other: types
 * tell which there are, but plain JavaScript and settings from elsewhere say others, which must not do as if they were the default.
 */
export const oneOf = <A extends string | undefined>(
  owner: string,
  option: string,
  value: A,
  words: ReadonlyArray<string>
): A => {
  if (value === undefined || words.includes(value)) return value
  throw new RangeError(`${owner}: \`${option}\` must be one of ${words.join(", ")}, but is ${value}`)
}
