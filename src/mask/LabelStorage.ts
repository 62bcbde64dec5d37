/** Storage of class ids in 8, 16 or 32 bits. No Effect here: the ONNX transport uses it in its session's process. */

/** Storage of class ids. */
export type LabelData = Uint8Array | Uint16Array | Uint32Array

/** The narrowest storage that holds ids up to `maxId`. */
export const allocate = (maxId: number, length: number): LabelData =>
  maxId <= 0xff ? new Uint8Array(length) : maxId <= 0xffff ? new Uint16Array(length) : new Uint32Array(length)

/** Empty storage as wide as another. */
export const sameStorage = (data: LabelData, length: number): LabelData =>
  data instanceof Uint8Array
    ? new Uint8Array(length)
    : data instanceof Uint16Array
      ? new Uint16Array(length)
      : new Uint32Array(length)
