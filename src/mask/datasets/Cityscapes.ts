/**
 * Cityscapes' 19 evaluated classes, by train id. Label files in its full format count to 33 instead; 255 marks
 * pixels that are not evaluated.
 */
import { colored } from "./Ade20k.ts"

/** Names, and colours as `0xRRGGBB`; the position is the train id. */
export const CITYSCAPES = colored(
  "road 804080,sidewalk f423e8,building 464646,wall 66669c,fence be9999,pole 999999," +
    "traffic light faaa1e,traffic sign dcdc00,vegetation 6b8e23,terrain 98fb98,sky 4682b4," +
    "person dc143c,rider ff0000,car 00008e,truck 000046,bus 003c64,train 005064,motorcycle 0000e6," +
    "bicycle 770b20"
)

/** The label id of each train id in the data set's full format: `[19]`. */
export const CITYSCAPES_LABEL_IDS: ReadonlyArray<number> = [
  7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33
]
