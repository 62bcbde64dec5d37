/** Children of a benchmark. */
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"

/** The next message of a child. One that dies before ends the benchmark, and does not hang it. */
export const answer = async (child: ChildProcess): Promise<unknown> => {
  const settled = new AbortController()
  const { signal } = settled
  const gone = once(child, "exit", { signal }).then(([code]) =>
    Promise.reject(new Error(`a child ended with ${code}`))
  )
  try {
    const [message] = await Promise.race([once(child, "message", { signal }), gone])
    return message
  } finally {
    gone.catch(() => {})
    settled.abort()
  }
}
