/** Of which colours an ICC profile is. */

/** What a picture's colours are called in a profile of them. */
export type Space = "GRAY" | "RGB " | "CMYK"

/** Profiles of what takes, shows or prints pictures, or of a space; others are steps between two. */
const classes: ReadonlySet<string> = new Set(["scnr", "mntr", "prtr", "spac"])

/** Four letters of a profile. */
export const textAt = (profile: Uint8Array, at: number): string =>
  String.fromCharCode(...profile.subarray(at, at + 4))

/** Whether a profile says what such colours are. One of other colours, which programs forget in a file, says nothing of them. */
export const isOf = (profile: Uint8Array, space: Space): boolean =>
  profile[8]! <= 5 &&
  textAt(profile, 36) === "acsp" &&
  classes.has(textAt(profile, 12)) &&
  textAt(profile, 16) === space
