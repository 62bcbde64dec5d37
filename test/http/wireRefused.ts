/** Answers that are refused, and what is said of them: the second table of `Wire.test.ts`. */
import { BentoML, Custom, TfServing } from "effect-segformer/http"
import { ClassTable } from "effect-segformer/mask"
import { encode } from "fast-png"
import type { Handler } from "../support/TestServer.ts"
import {
  width,
  height,
  truth,
  rows,
  grey,
  base64,
  only,
  names,
  road,
  json,
  raw,
  type Made,
  soft,
  rleOf
} from "./wire.ts"

/** Name, protocol, answer, tag, and what the message says. */
export const refused: ReadonlyArray<readonly [string, Made, Handler, string, RegExp]> = [
  [
    "rows that are columns",
    Custom.make(),
    json({ mask: Array.from({ length: width }, () => Array.from({ length: height }, () => 1)) }),
    "MaskNotDecodable",
    /6 x 8 pixels, and the image 8 x 6.*`transposed`/
  ],
  [
    "a map in one line",
    Custom.make(),
    json({ mask: [truth] }),
    "MaskNotDecodable",
    /48 x 1 pixels.*another shape/
  ],
  [
    "a matte of 256 greys",
    Custom.make(),
    raw(grey(soft.map((v) => v * 5))),
    "ResponseNotDecodable",
    /`binary: true`/
  ],
  [
    "0 and 255, where there are three classes",
    Custom.make({ classes: names.map((name, id) => ({ id, name })) }),
    raw(grey(only(1))),
    "ResponseNotDecodable",
    /`binary: \{ classId \}`/
  ],
  [
    "a picture in colours as numbers",
    Custom.make(),
    json({ mask: rows(truth.map((v) => v)).map((row) => row.map((v) => [v * 90, 17, 200])) }),
    "ResponseNotDecodable",
    /colours of a picture/
  ],
  [
    "classes whose ids are none",
    Custom.make(),
    json({
      mask: rows(),
      classes: [
        { id: "one", name: "a" },
        { id: 1, name: "b" }
      ]
    }),
    "ResponseNotDecodable",
    /`classes`.*"a" has the id/
  ],
  [
    "two names for one id",
    Custom.make(),
    json({
      mask: rows(),
      classes: [
        { id: 1, name: "a" },
        { id: "1", name: "b" }
      ]
    }),
    "ResponseNotDecodable",
    /two names for the id 1/
  ],
  [
    "masks without labels",
    Custom.make(),
    json([{ segmentation: rleOf(1), area: 12, predicted_iou: 0.9 }]),
    "ResponseNotDecodable",
    /neither a label nor a class id/
  ],
  [
    "masks of boxes",
    Custom.make(),
    json([
      { label: "road", box_2d: [0, 0, 500, 500], mask: `data:image/png;base64,${base64(grey(only(1)))}` }
    ]),
    "ResponseNotDecodable",
    /`0\.mask`: its mask is that of its `box_2d`/
  ],
  [
    "a picture of words",
    Custom.make(),
    json([{ label: "road", mask: "<start_of_mask><seg_35><seg_65>" }]),
    "ResponseNotDecodable",
    /`0\.mask`: it is no base64/
  ],
  [
    "a JPEG",
    BentoML.make(),
    raw(Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0x10]), { "content-type": "image/jpeg" }),
    "ResponseNotDecodable",
    /it is no JSON \(image\/jpeg\), but a JPEG/
  ],
  [
    "NaN in the mask",
    Custom.make(),
    raw(JSON.stringify({ mask: rows() }).replace("0,0", "0,NaN")),
    "ResponseNotDecodable",
    /`mask\.0\.1`: it is NaN/
  ],
  [
    "a page of a gateway",
    Custom.make(),
    raw(
      '<!DOCTYPE html>\n<!--[if IE 7]> <html class="ie7"> <![endif]--><head><title>lab | 524: A timeout\noccurred</title></head>',
      { "content-type": "text/html" },
      524
    ),
    "ServiceFailed",
    /\(524\): lab \| 524: A timeout occurred/
  ],
  [
    "a page with status 200",
    Custom.make(),
    raw("<html><body><h1>Sign in</h1></body>", { "content-type": "text/html" }),
    "ResponseNotDecodable",
    /a page of HTML.*Sign in/
  ],
  [
    "objects nested deeper than any stack",
    Custom.make(),
    raw(`${'{"data":'.repeat(50_000)}1${"}".repeat(50_000)}`),
    "ResponseNotDecodable",
    /there is no mask.*\{"data":\{"data":/
  ],
  [
    "two predictions for one image",
    TfServing.make({ model: "m" }),
    json({ predictions: [rows(), rows()] }),
    "ResponseNotDecodable",
    /`predictions`: there are 2 for one image/
  ],
  [
    "gzip that is none",
    Custom.make(),
    raw("plain", { "content-encoding": "gzip" }),
    "ResponseNotDecodable",
    /its gzip data is broken or cut off \(incorrect header check\)/
  ],
  [
    "a page of comments alone",
    Custom.make(),
    raw("<!---->".repeat(500), { "content-type": "text/html" }, 502),
    "ServiceUnavailable",
    /502/
  ],
  [
    "a page of tags that do not end",
    Custom.make(),
    raw(`<html>${"<title ".repeat(9000)}${"<!--".repeat(9000)}`, { "content-type": "text/html" }, 502),
    "ServiceUnavailable",
    /502/
  ],
  [
    "NaN, and a string of quotes that does not end",
    Custom.make(),
    raw(`[NaN,"${String.raw`\"`.repeat(300_000)}`),
    "ResponseNotDecodable",
    /it is no JSON/
  ],
  [
    "a wait of many blanks",
    Custom.make(),
    json({ error: "no", retry_after: `9${" ".repeat(60_000)}x` }, 503),
    "ServiceUnavailable",
    /: no/
  ],
  [
    "a title in escapes of HTML",
    Custom.make(),
    raw("<html><title>It&#x27;s &#8212; down&#55296;</title>", { "content-type": "text/html" }, 502),
    "ServiceUnavailable",
    /\(502\): It's \u2014 down/
  ],
  ...(
    [
      [
        { timestamp: "2026", status: 400, error: "Bad Request", message: "no part 'image'" },
        /: no part 'image'/
      ],
      [
        { statusCode: 400, message: ["image is no file", "x"], error: "Bad Request" },
        /: image is no file; x/
      ],
      [
        { title: "Errors occurred.", errors: { image: ["It is required."] } },
        /occurred: image: It is required/
      ],
      [{ type: "about:blank", title: "Bad Request", detail: "no image" }, /: no image/],
      [{ success: false, errors: [{ code: 1000, message: "no image" }] }, /: no image/],
      [{ errorMessage: "boom", errorType: "E" }, /: boom/],
      [{ error: "Bad Request" }, /: Bad Request/]
    ] as const
  ).map(
    ([body, message]) =>
      [
        `400 as ${Object.keys(body).join(", ")}`,
        Custom.make(),
        json(body, 400),
        "RequestRejected",
        message
      ] as const
  ),
  [
    "white and black of a palette, in this order",
    Custom.make(),
    raw(
      encode({
        width,
        height,
        channels: 1,
        depth: 8,
        data: Uint8Array.from(only(1, 0, 1)),
        palette: [
          [255, 255, 255],
          [0, 0, 0]
        ]
      }),
      { "content-type": "image/png" }
    ),
    "ResponseNotDecodable",
    /white at 0 and black at 1.*`binary: true` or `binary: false`/
  ],
  [
    "one mask of a class that is none",
    Custom.make({ classes: ClassTable.fromNames(names) }),
    json({ label: "rust", mask: rows(road) }),
    "ResponseNotDecodable",
    /beside it stands "rust".*`as: "ids"`/
  ],
  [
    "ids of another numbering, of which not all have a name that is known",
    Custom.make({ classes: ClassTable.fromNames(names) }),
    json([
      { class_id: 1, label: "tree", mask: rows(only(0, 1)) },
      { class_id: 2, label: "other", mask: rows(road) }
    ]),
    "ResponseNotDecodable",
    /id 2 is of another numbering.*there "tree" is 1/
  ],
  [
    "names in another order than those that were given",
    Custom.make({ classes: ClassTable.fromNames(names) }),
    json({ mask: rows(), classes: ["ground", "sky", "tree"] }),
    "ResponseNotDecodable",
    /1 is "sky", and `classes` that 0 is/
  ],
  [
    "how sure it is of each class by itself",
    Custom.make({ classes: ClassTable.fromNames(names) }),
    json({ mask: [1, 2, 0].map((id) => rows(only(id, id === 0 ? 0.3 : 0.97, 0.02))) }),
    "ResponseNotDecodable",
    /of each class by itself.*`as: "logits"` that the highest counts/
  ],
  [
    "a field that a form lacks",
    Custom.make(),
    json({ detail: [{ type: "missing", loc: ["body", "image"], msg: "Field required" }] }, 422),
    "RequestRejected",
    /body\.image: Field required/
  ]
]
