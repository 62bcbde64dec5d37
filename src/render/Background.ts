/**
 * Which classes are background: what a person looking for something would not call found. Models do not say, so
 * their names decide.
 */
import type { ClassTable } from "../mask/ClassTable.ts"

const named = (words: string) => new RegExp(`^[\\W_]*(?:${words})[\\W_]*$`, "i")

/** What is behind all things. */
const ground = "back[\\W_]?ground|bg"
/** What has no class, as data sets call it. */
const none = "none|unlabell?ed|void"

const grounds = named(ground)
const names = named(`${ground}|${none}|ignore`)
const rests = named(`${ground}|${none}|others?|nothing`)

/** Whether a class of this name is background. */
export const isName = (name: string): boolean => names.test(name)

/** Whether a class of this name is what is behind all things. @internal */
export const isGround = (name: string): boolean => grounds.test(name)

/** Whether a class of this name is what is left of an image, so that each of its pixels has a class. @internal */
export const isRest = (name: string): boolean => rests.test(name)

/** The ids of background classes: none for models (ADE20K) that name everything. */
export const idsOf = (classes: ClassTable): ReadonlySet<number> =>
  new Set(classes.filter((info) => isName(info.name)).map((info) => info.id))
