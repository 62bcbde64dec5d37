export * as Chaos from "./Chaos.ts"
export * as FakeHttp from "./FakeHttp.ts"
export * as Fixtures from "./Fixtures.ts"
export * as SegFormerTest from "./SegFormerTest.ts"
