/**
 * Which classes are background: what a person looking for something would not call found. Models do not say, so
 * their names decide.
 */
import type { ClassTable } from "../mask/ClassTable.ts"

const names = /^_*(back[\s_-]?ground|bg|none|unlabell?ed|void|ignore)_*$/i

/** Whether a class of this name is background. */
export const isName = (name: string): boolean => names.test(name)

/** The ids of background classes: none for models (ADE20K) that name everything. */
export const idsOf = (classes: ClassTable): ReadonlySet<number> =>
  new Set(classes.filter((info) => isName(info.name)).map((info) => info.id))
