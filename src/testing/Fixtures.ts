/**
 * A small real image and its segmentation: a panel of 48 x 32 pixels with a particle and a scratch, for tests that
 * need something to segment.
 */
import { Result } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Rle from "../mask/Rle.ts"
import type { Labels } from "../Prediction.ts"
import * as Base64 from "../service/Base64.ts"

/** In pixels. */
export const width = 48
/** In pixels. */
export const height = 32

/** The image, as the bytes of a PNG file. */
export const image: Uint8Array =
  Base64.decode(
    [
      "iVBORw0KGgoAAAANSUhEUgAAADAAAAAgCAIAAADbtmxLAAAHEklEQVR4Xn3Y16plRRSF4fM451IUBFFEBQXFC8UbwVtfwaydc845",
      "55xzjsZH6ZfwW/yHYiPSTVHUXmftqr/GHHNW7Z7bvf/ongPHDh49feLMJe3UuSsXrty6dO3OuUs3rt9+ePn63Ss37t2+/1Tvo167",
      "cefRzbuPr916YHzmwjVvnj5/9ejJ876+79AJU+3Yc2jLjn3bdh3YvH3vxq27123asXr91hVrNv26ZJX202/Lf1m88sdfl/3wy9Kf",
      "F63Q+2jgib9OQHsPHt9/+OTx0xfNePLs5fOXb2K6ePW29QBpCGqYojQG7U1jQLAwHT5+9tCxM5jscOfew5u27Vm/eae2fPVGDdCy",
      "VRt+W7ra8hqOUML6/ucli5at0eZ27TuC6ciJc6azSwpZRrOMxaxKHmKQRLvz4Nmte08SzJ9iQo8Gk/0A0kwIiE7kWbtxO4XWbNi2",
      "cu1mNDQYNDgGEHk0L8zZjSmgACKPSS1gGQrhwIQgYQzCGoi9pvdFO/Fdk5iQ3mi27tyvYYICaOnK9QEJWQMc3/20uEgZF8o5W/F9",
      "ExEpIGucvXjdkgTINKHguHrzvlYoDaDrveyLIm5X9nbgyCmNSDy0YcsuCokaD4kajiUr1i1evjYD1Rc4TbwmhYQcUB4yL+VbxqrJ",
      "oBcpg7sPn2vGyAgG12si633bePXqFZpjpy7Ym01qHK3RJpoanTBZ3tpUGabWKDSZmrZMLTVSqHhZLJqhjY9FDZM+s5doRQ2Qf+bR",
      "bBLQ9t0HSzEhoxOsbGvVBkOkQqbn+snUpiAPE2j0N7tl7D4mCWWgv/foBRo9IH9NJH8C5IsBpRMa8cpDRFq1bgsaWGUZlNI+P4VV",
      "vOg3J95ExmRSWEKGyUqW0VvVkkVK85FaKAFlo3xdog0mmyQPFB4iEiBNpEq0guWjQSmGBpnBpBAUTPwYDU9YYKQYgqyTVIUvD1WZ",
      "ih0s+zHJYAJEHjqpkEydk0CwEVPThiqlFY7MXkWY0p6H6EwnTKYuavn6/TfmP3xr/qO3pt44nQDlrdzj/RKt2jiYqo2JxEPkydTZ",
      "yNrIZhXypylk8otCHR3ZiP6afX/w5vzHb89/+s78Z+9OvbEnI8sq1l6rTORCmWHCwRQQGo1IinWRsjACLThPSrEJiEKjRtulkNm0",
      "eNEDwefvzX/5wfxXH029sSeeV6wp1AEXUxYs7RWhWabk4Q8NUKYurbKOj2FNQB1kJsrO+uwsRlTB8fUn8998OvXGnniex/N7Z4hg",
      "2UzlPpFk/mDiHsnfWSZM2si10m3UbrhTyEr7yn+O1vhGpGiD5tsvpt7YE8/zNZMRqSoaU1idrx0dg6nAIcPUsU8M2gw+KNlrqtSl",
      "GA91UpZor1FIyBiISCW/b9HVZgB1vtqhfXa+DiZRK/NZG1ANzQii3p8WTE3qcr7zSzhe4yG1MWuX9iWa7+qFvtk4QeZXjQbTrKkN",
      "ck92zkYTkG/mxDQfZVr73ywbJ1qVSevyNG4g9LbJDtfqtTo0mCw5m//gxrGa6xeANJqbMaBqMQ3+U4egeIjm/uOXmRpQR2xR69rZ",
      "4ahed2msMA6m4RgtA1WT0GCdgORFJ6tJu5SNcz6vPHz6RyUREJQOtXGAkKd4Eck8QmbOLqLkEbXqkHgNpmIXB3mQVcEnhbozdKHJ",
      "Qx2c1eKW1zAZ6z1HBnQMOmW7xZrKPOYUNRUuICmmdXrM6gQiO3foLtShLq/VaDNi6hTrtKfEgye/AxIpPaZ0qg55JyAD361S81A2",
      "kmUOMg1W9+uCMpgqPOlkUA7OocnRZUqHhtbuEaRETD7im3V0idbp4evdYvvtwUPSnocwdVOznmN/limUDC6Ok0K+TGcTdUaOLLNS",
      "Z7swpU0NUIHzQpXay7aRqUexHqamTfKwEZrx82OWqSpQAk5Aop7ggMxuu51WXQ4fPfsTEA4fofiYVB4C6oLW/clmOs7yEHd3R+ua",
      "xkBZ26q5OCCBG8cc4rkcnXu6UI8fPVraoClSgEbIZp1UoPUdQeWaRONo8ao8dlMb2YTMAFCRSqcFUxey6lB35HI+nZLnyYu/aQMu",
      "jpzuhYqWr1Syh7U70bqmaQ7XzrKus4CQSavqUILpF0zdL5jKNJ363ZOp9WV7Uj1+/pcnek8KaDVCL2qFrAkDIhJfpxMbzWIhSC29",
      "YNGpNl1hTdHFA021ruOsUyLf1IavA61wB9RFyiRtT8iYugopWHyNQ6IBIk9pFU1YnSdemEI2fkGPu0T5HJDl0yadkqpSmZPydeqa",
      "x/b6McTXtAGEpgt/vz36j4dRo7NzJWoytW+O25l5aaOh6cwqQJZ/+vIfA04aJSAbeYGimApZB8hItH5+UEi8Sv6UyNRpkzyahxPQ",
      "+E8P8sRUCHK0MFlYDwhNWJ74Uz4rJduGGUYp0jrU1OsqtXBEVtpbPpFiSiQB/Rf+6TgvFFKS7gAAAABJRU5ErkJggg=="
    ].join("")
  ) ?? new Uint8Array()

/** The classes that occur in it. */
export const classes: ClassTable.ClassTable = ClassTable.fromNames(["background", "particle", "scratch"])

/** The pixels of each class that is not background, as COCO writes them. */
const runs: ReadonlyArray<readonly [id: number, counts: string]> = [
  [1, "\\85j02N2O00000001N2Nen0"],
  [2, "Uh03n000000000000000000000000000000000000X4"]
]

const ids = new Uint8Array(width * height)
for (const [id, counts] of runs) {
  Rle.paint(Result.getOrThrow(Rle.fromCoco({ size: [height, width], counts })), ids, id)
}

/** Its label map: 0 background, 1 particle, 2 scratch. */
export const labelMap: LabelMap = { width, height, data: ids }

/** What a transport gives for it. */
export const prediction: Labels = { _tag: "Labels", classes, labelMap }
