/** What COCO's JSON looks like, as this library writes it. */
import { Schema } from "effect"

/** A category: a class. */
export const Category = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  supercategory: Schema.optionalKey(Schema.String)
})
export type Category = typeof Category.Type

/** An image; sizes in pixels. */
export const Image = Schema.Struct({
  id: Schema.Int,
  width: Schema.Int,
  height: Schema.Int,
  file_name: Schema.String
})
export type Image = typeof Image.Type

/** Polygons as `[x0, y0, x1, y1, …]` in pixels, or run lengths. */
export const Segmentation = Schema.Union([
  Schema.Array(Schema.Array(Schema.Finite)),
  Schema.Struct({
    size: Schema.Tuple([Schema.Int, Schema.Int]),
    counts: Schema.Union([Schema.String, Schema.Array(Schema.Int)])
  })
])
export type Segmentation = typeof Segmentation.Type

/** An object in an image. `area` in pixels, `bbox` as `[x, y, width, height]`. */
export const Annotation = Schema.Struct({
  id: Schema.Int,
  image_id: Schema.Int,
  category_id: Schema.Int,
  segmentation: Segmentation,
  area: Schema.Finite,
  bbox: Schema.Tuple([Schema.Finite, Schema.Finite, Schema.Finite, Schema.Finite]),
  iscrowd: Schema.Literals([0, 1])
})
export type Annotation = typeof Annotation.Type

/** A whole file. Other keys are allowed and not kept. */
export const Dataset = Schema.Struct({
  images: Schema.Array(Image),
  annotations: Schema.Array(Annotation),
  categories: Schema.Array(Category)
})
export type Dataset = typeof Dataset.Type
