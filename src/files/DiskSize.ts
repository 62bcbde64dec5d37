/** What files take of a disk: whole blocks, and one for each file or folder itself, however little is in it. */

const block = 4096

/** Bytes that a file of so many bytes takes; 0 for an empty one or a folder. */
export const ofFile = (bytes: number): number => block * (1 + Math.ceil(bytes / block))
