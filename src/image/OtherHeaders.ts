/** Headers of other kinds than PNG and JPEG, and what files are that are no images. Loaded when there is such a file. */
export * as ImageHeader from "./ImageHeader.ts"
export * as OtherFormat from "./OtherFormat.ts"
