/**
 * Classes of Pascal VOC, whose label files are indexed PNGs in the colours of `Palette.vocColor` (255 is the void), and of human
 * parsing, which is painted in the same: ATR's 18 are those of the clothes SegFormers that are used most, LIP's 20 those of its data
 * set ("Look into Person").
 */

/** Names of Pascal VOC's classes; the position is the id. */
export const PASCAL_VOC: ReadonlyArray<string> = (
  "background,aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse," +
  "motorbike,person,pottedplant,sheep,sofa,train,tvmonitor"
).split(",")

/** Names of ATR's classes; the position is the id. */
export const ATR: ReadonlyArray<string> = (
  "Background,Hat,Hair,Sunglasses,Upper-clothes,Skirt,Pants,Dress,Belt,Left-shoe,Right-shoe," +
  "Face,Left-leg,Right-leg,Left-arm,Right-arm,Bag,Scarf"
).split(",")

/** Names of LIP's classes; the position is the id. */
export const LIP: ReadonlyArray<string> = (
  "Background,Hat,Hair,Glove,Sunglasses,Upper-clothes,Dress,Coat,Socks,Pants,Jumpsuits,Scarf," +
  "Skirt,Face,Left-arm,Right-arm,Left-leg,Right-leg,Left-shoe,Right-shoe"
).split(",")
