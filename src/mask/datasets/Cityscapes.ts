/**
 * Cityscapes' 19 evaluated classes, by train id. Label files in its full format count to 33 instead; 255 marks
 * pixels that are not evaluated.
 */

/** Names, and colours as `0xRRGGBB`; the position is the train id. */
export const CITYSCAPES: ReadonlyArray<readonly [name: string, color: number]> = [
  ["road", 0x804080],
  ["sidewalk", 0xf423e8],
  ["building", 0x464646],
  ["wall", 0x66669c],
  ["fence", 0xbe9999],
  ["pole", 0x999999],
  ["traffic light", 0xfaaa1e],
  ["traffic sign", 0xdcdc00],
  ["vegetation", 0x6b8e23],
  ["terrain", 0x98fb98],
  ["sky", 0x4682b4],
  ["person", 0xdc143c],
  ["rider", 0xff0000],
  ["car", 0x00008e],
  ["truck", 0x000046],
  ["bus", 0x003c64],
  ["train", 0x005064],
  ["motorcycle", 0x0000e6],
  ["bicycle", 0x770b20]
]

/** The label id of each train id in the data set's full format: `[19]`. */
export const CITYSCAPES_LABEL_IDS: ReadonlyArray<number> = [
  7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33
]
