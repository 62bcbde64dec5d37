/** Where the pictures of tasks are, and which of these places are asked. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Addresses from "../../../src/server/dialects/labelStudio/Addresses.ts"

const base = new URL("https://studio.example/")
const hosts = ["pictures.example", "nas:8000", "*.bucket.example"]
const find = (value: string, known: Addresses.Known = { base, hosts }, task: string | undefined = "7") =>
  Addresses.find(value, task, known)
const own = (value: string, known?: Addresses.Known) => {
  const found = Result.getOrThrow(find(value, known))
  return found._tag === "Own" ? found.paths : found._tag
}

describe("a picture of Label Studio's own", () => {
  it("is asked for by its route for uploads, by its path, or by the address that it signs", () => {
    const upload = ["/storage-data/uploaded/?filepath=upload%2F1%2Fa%20b.png", "/data/upload/1/a%20b.png"]
    for (const [value, paths] of [
      ["/data/upload/1/a%20b.png", upload],
      ["upload/1/a%20b.png", upload],
      ["/upload/1/a%20b.png", upload],
      ["https://studio.example/data/upload/1/a%20b.png", upload],
      ["https://STUDIO.example:443/data/upload/1/a%20b.png", upload],
      ["/data/local-files/?d=panels/a%20b.png", ["/data/local-files/?d=panels/a%20b.png"]],
      ["data/local-files/?d=x.png", ["/data/local-files/?d=x.png"]],
      ["/tasks/7/resolve/?fileuri=eA==", ["/tasks/7/resolve/?fileuri=eA=="]],
      ["s3://bucket/a b.png", ["/tasks/7/presign/?fileuri=czM6Ly9idWNrZXQvYSBiLnBuZw=="]],
      ["gs://bucket/ä?.png", ["/tasks/7/presign/?fileuri=Z3M6Ly9idWNrZXQvw6Q_LnBuZw=="]],
      ["azure-blob://c/a.png", ["/tasks/7/presign/?fileuri=YXp1cmUtYmxvYjovL2MvYS5wbmc="]],
      ["  /data/local-files/?d=x.png\n", ["/data/local-files/?d=x.png"]]
    ] as const) {
      assert.deepStrictEqual(own(value), paths, value)
    }
  })

  it("is found under the path that Label Studio itself is under", () => {
    const known = { base: new URL("http://host:8080/label-studio/"), hosts: [] }
    const paths = [
      "/label-studio/storage-data/uploaded/?filepath=upload%2F1%2Fa.png",
      "/label-studio/data/upload/1/a.png"
    ]
    assert.deepStrictEqual(own("/data/upload/1/a.png", known), paths)
    assert.deepStrictEqual(own("/label-studio/data/upload/1/a.png", known), paths)
    assert.deepStrictEqual(own("http://host:8080/label-studio/data/upload/1/a.png", known), paths)
    assert.deepStrictEqual(own("s3:x", known), ["/label-studio/tasks/7/presign/?fileuri=czM6eA=="])
  })
})

describe("what is no picture of Label Studio's", () => {
  it("is not asked for with its key: a failure tells how the answer begins", () => {
    const under = { base: new URL("http://host:8080/label-studio/"), hosts: ["*"] }
    for (const [value, known] of [
      ["/api/current-user/token", undefined],
      ["/api", undefined],
      ["/%61pi/current-user/token", undefined],
      ["/API/users", undefined],
      ["/data/../api/users", undefined],
      ["/data/%2e%2e/api/users", undefined],
      ["/.//api/users", undefined],
      ["api/users", undefined],
      ["https://studio.example/api/users?x=a.png", undefined],
      ["/api/users", under],
      ["/label-studio/api/users", under],
      ["http://host:8080/label-studio//api/users", under],
      ["http://host:8080/api/users", under]
    ] as const) {
      const found = find(value, known)
      const detail = Result.isFailure(found) ? found.failure.detail : JSON.stringify(found.success)
      assert.match(detail, /no picture, but Label Studio's own interface/, value)
    }
    assert.deepStrictEqual(own("/data/api/a.png"), ["/data/api/a.png"])
    assert.deepStrictEqual(own("/apis.png"), ["/apis.png"])
  })
})

describe("a picture elsewhere", () => {
  it("is asked for where its host is named, and any public one where all are", () => {
    for (const value of [
      "https://pictures.example/a.png?x=1",
      "http://nas:8000/a.png",
      "https://a.bucket.example/a.png"
    ])
      assert.strictEqual(own(value), "Other", value)
    assert.strictEqual(own("https://anywhere.example/a.png", { base, hosts: ["*"] }), "Other")
  })

  it("is not asked for anywhere else, whatever its address looks like", () => {
    for (const value of [
      "https://other.example/a.png",
      "https://pictures.example.evil.example/a.png",
      "https://pictures.example:444/a.png",
      "http://nas/a.png",
      "https://bucket.example/a.png",
      "http://studio.example/data/upload/1/a.png",
      "https://studio.example:8443/data/upload/1/a.png",
      "https://studio.example.evil.example/data/upload/1/a.png",
      "https://studio.example@evil.example/data/upload/1/a.png",
      "//evil.example/data/upload/1/a.png",
      "/\\evil.example/data/upload/1/a.png",
      "\\\\evil.example/a.png",
      "http://169.254.169.254/latest/meta-data",
      "http://127.0.0.1:8080/a.png",
      "file:///etc/passwd",
      "ftp://pictures.example/a.png",
      "javascript:alert(1)",
      "http://",
      "",
      "   "
    ]) {
      const found = find(value)
      assert.isTrue(Result.isFailure(found), `${value}: ${JSON.stringify(found)}`)
    }
  })

  it("says why not, without what may be secret in the address", () => {
    const error = Result.getOrThrow(Result.flip(find("https://u:secret@other.example/a.png?sig=secret")))
    assert.notInclude(error.detail, "secret")
    const unknown = Result.getOrThrow(Result.flip(find("https://other.example/a.png?sig=secret")))
    assert.include(unknown.detail, "other.example")
    assert.include(unknown.detail, "--images-from")
    assert.notInclude(unknown.detail, "secret")
    const nowhere = find("/data/upload/1/a.png", { base: undefined, hosts: [] })
    assert.include(Result.getOrThrow(Result.flip(nowhere)).detail, "LABEL_STUDIO_URL")
    assert.isTrue(Result.isFailure(Addresses.find("s3://b/a.png", undefined, { base, hosts: [] })))
  })
})
