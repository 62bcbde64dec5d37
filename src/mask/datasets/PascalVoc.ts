/** Pascal VOC's 21 classes. Label files are indexed PNGs whose palette is `Palette.vocColor`; 255 is the void. */

/** Names; the position is the id. */
export const PASCAL_VOC: ReadonlyArray<string> = [
  "background",
  "aeroplane",
  "bicycle",
  "bird",
  "boat",
  "bottle",
  "bus",
  "car",
  "cat",
  "chair",
  "cow",
  "diningtable",
  "dog",
  "horse",
  "motorbike",
  "person",
  "pottedplant",
  "sheep",
  "sofa",
  "train",
  "tvmonitor"
]
