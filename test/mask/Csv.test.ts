import { assert, describe, it } from "@effect/vitest"
import { ClassTable, Csv, LabelMap } from "effect-segformer/mask"

describe("texts in a table", () => {
  it("none is a formula to a spreadsheet, as OWASP advises", () => {
    for (const text of [
      "=cmd()",
      "+1+2",
      "-2+3",
      "@SUM(A1)",
      "\t=1",
      "\r=1",
      "\n=1",
      " =1",
      "＝1",
      "＋1",
      "－1",
      "＠x",
      '="a";b'
    ]) {
      const line = Csv.line([text])
      assert.strictEqual(line, `"'${text.replaceAll('"', '""')}"\r\n`, JSON.stringify(text))
    }
  })

  it("numbers, and texts that only look like one inside, stay", () => {
    assert.strictEqual(Csv.line([-1.5, "a=b", "a-b", 0, true, undefined]), "-1.5,a=b,a-b,0,true,\r\n")
    assert.strictEqual(Csv.line(["a;=cmd()", "a\t=1", "a,b", 'q"']), '"a;=cmd()","a\t=1","a,b","q"""\r\n')
  })

  it("names of classes go through it", () => {
    const map = LabelMap.makeUnsafe({ width: 1, height: 1, data: Uint8Array.of(0) })
    assert.match(Csv.areas(map, ClassTable.fromNames(["=cmd()"])), /\r\n0,"'=cmd\(\)",1,1\r\n/)
  })
})
