/** What people drew, as rows of class ids, or why it was not read. */
import { assert } from "@effect/vitest"
import { Result } from "effect"
import { Annotated } from "effect-segformer/annotation"
import { toDigits } from "./support.ts"

export const classOf = (label: string) => ({ pit: 1, scratch: 2 })[label]

export const rows = (
  image: Annotated.AnnotatedImage | undefined,
  size?: Annotated.Size
): ReadonlyArray<string> =>
  image === undefined
    ? []
    : toDigits(Result.getOrThrow(Annotated.toLabelMap(image, { classOf, outside: 0, size })))

export const failureOf = (result: Result.Result<unknown, string>): string =>
  Result.isFailure(result) ? result.failure : assert.fail("it was read")
