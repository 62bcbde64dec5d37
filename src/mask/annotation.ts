/** What annotation tools read and write: masks, shapes and annotations of Label Studio and CVAT. */
export * as Annotated from "./Annotated.ts"
export * as BrushRle from "./BrushRle.ts"
export * as Cvat from "./Cvat.ts"
export * as CvatMask from "./CvatMask.ts"
export * as CvatReading from "./CvatReading.ts"
export * as LabelStudio from "./LabelStudio.ts"
export * as LabelStudioReading from "./LabelStudioReading.ts"
