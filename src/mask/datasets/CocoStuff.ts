/**
 * COCO-Stuff's 171 classes (164k version): 80 things, then 91 kinds of stuff.
 *
 * Models use dense ids from 0 in this order. The data set's own category ids have holes: things keep the ids of
 * COCO (1 to 90, of which ten are unused), stuff has 92 to 182.
 */

/** Names of the 80 classes of things, in the order of COCO's category ids. */
export const COCO_THINGS: ReadonlyArray<string> = (
  "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant," +
  "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe," +
  "backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite," +
  "baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork," +
  "knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake," +
  "chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard," +
  "cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear," +
  "hair drier,toothbrush"
).split(",")

/** Names of the 91 classes of stuff. */
export const COCO_STUFF: ReadonlyArray<string> = (
  "banner,blanket,branch,bridge,building-other,bush,cabinet,cage,cardboard,carpet," +
  "ceiling-other,ceiling-tile,cloth,clothes,clouds,counter,cupboard,curtain,desk-stuff,dirt," +
  "door-stuff,fence,floor-marble,floor-other,floor-stone,floor-tile,floor-wood,flower,fog," +
  "food-other,fruit,furniture-other,grass,gravel,ground-other,hill,house,leaves,light,mat," +
  "metal,mirror-stuff,moss,mountain,mud,napkin,net,paper,pavement,pillow,plant-other," +
  "plastic,platform,playingfield,railing,railroad,river,road,rock,roof,rug,salad,sand,sea," +
  "shelf,sky-other,skyscraper,snow,solid-other,stairs,stone,straw,structural-other,table," +
  "tent,textile-other,towel,tree,vegetable,wall-brick,wall-concrete,wall-other,wall-panel," +
  "wall-stone,wall-tile,wall-wood,water-other,waterdrops,window-blind,window-other,wood"
).split(",")

/** Ids up to 182 that neither COCO nor COCO-Stuff published. */
const UNUSED: ReadonlySet<number> = new Set([12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91])

/** COCO's category id of each dense id: `[171]`. */
export const COCO_CATEGORY_IDS: ReadonlyArray<number> = Array.from({ length: 182 }, (_, i) => i + 1).filter(
  (id) => !UNUSED.has(id)
)
