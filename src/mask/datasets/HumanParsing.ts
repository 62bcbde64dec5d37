/**
 * Classes of human parsing. ATR's 18 are those of the clothes SegFormers that are used most; LIP's 20 those of its data set
 * ("Look into Person"). Both are painted in the colours of Pascal VOC's development kit.
 */

/** Names of ATR's classes; the position is the id. */
export const ATR: ReadonlyArray<string> = [
  "Background",
  "Hat",
  "Hair",
  "Sunglasses",
  "Upper-clothes",
  "Skirt",
  "Pants",
  "Dress",
  "Belt",
  "Left-shoe",
  "Right-shoe",
  "Face",
  "Left-leg",
  "Right-leg",
  "Left-arm",
  "Right-arm",
  "Bag",
  "Scarf"
]

/** Names of LIP's classes; the position is the id. */
export const LIP: ReadonlyArray<string> = [
  "Background",
  "Hat",
  "Hair",
  "Glove",
  "Sunglasses",
  "Upper-clothes",
  "Dress",
  "Coat",
  "Socks",
  "Pants",
  "Jumpsuits",
  "Scarf",
  "Skirt",
  "Face",
  "Left-arm",
  "Right-arm",
  "Left-leg",
  "Right-leg",
  "Left-shoe",
  "Right-shoe"
]
