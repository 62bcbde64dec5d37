/** What may fail, and may then be tried again. */
import { Failure } from "./Failure.ts"
import * as Notices from "./Notices.ts"
import { sentence } from "./Text.ts"
import * as TokenDialog from "./TokenDialog.ts"
import { messageOf } from "./Text.ts"

/** Says why something failed. A token is asked for where one is missing, and then it is tried again. */
export const fail = async (error: unknown, about: Notices.About, again: () => void): Promise<void> => {
  if (error instanceof Failure && error.status === 401 && (await TokenDialog.ask())) return again()
  const isFinal = error instanceof Failure && error.isFinal
  const text = sentence(messageOf(error))
  Notices.warn(about, text, ...(isFinal ? [] : [{ name: "Try again", act: again }]))
}

/** Does something that may fail, and may then be tried again. */
export const attempt = async (about: Notices.About, act: () => Promise<void>): Promise<void> => {
  try {
    await act()
  } catch (error) {
    await fail(error, about, () => void attempt(about, act))
  }
}
