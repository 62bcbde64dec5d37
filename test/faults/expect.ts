/** What rows expect of what was seen. */
import assert from "node:assert/strict"
import { quick, type Seen } from "./Harness.ts"

export const tags = (seen: Seen, ...expected: ReadonlyArray<string>) =>
  assert.deepEqual([...new Set(seen.tags)], expected)
export const attempts = (seen: Seen, expected: number) =>
  assert.equal(seen.requests.length, expected, "attempts")
/** One call that fails with a tag after so many attempts. */
export const ends = (tag: string, expected: number) => (seen: Seen) => {
  tags(seen, tag)
  attempts(seen, expected)
}
/** Not sooner: how much later is the machine's affair, and stands in the table. */
export const waits = (seen: Seen, limit: number) =>
  assert.ok(seen.millis >= limit - 20, `settled after ${seen.millis} ms, before ${limit}`)
/** Milliseconds between the requests that the service saw. */
export const gaps = ({ requests }: Seen) => requests.slice(1).map(({ at }, i) => at - requests[i]!.at)

export const once = { ...quick, retry: false } as const
export const short = { attemptTimeout: "300 millis", retry: false } as const
