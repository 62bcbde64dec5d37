/** Memory that is given back by hand. */

/**
 * Gives the memory of an array back at once; whoever still looks at it finds it empty. The collector comes by how much has
 * been taken since it last came, and walks the whole heap then: with pixels left to it, after every ten pictures or so.
 */
export const release = ({ buffer, byteLength }: ArrayBufferView): void => {
  // A part of something larger is not this one's to give back.
  if (!(buffer instanceof ArrayBuffer) || byteLength === 0 || buffer.byteLength !== byteLength) return
  // Older browsers leave it to the collector.
  if ("transfer" in buffer) buffer.transfer(0)
}
