/** Pictures from masks, on any JavaScript runtime. */
export * as Background from "./Background.ts"
export * as Colors from "./Colors.ts"
export * as Legend from "./Legend.ts"
export * as Overlay from "./Overlay.ts"
export * as SideBySide from "./SideBySide.ts"
export * as Text from "./Text.ts"
