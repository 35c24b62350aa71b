# Annotation files of the three data sets, relative to the folder of COCO.
coco_root = 'data/coco'
ann_files = {
    'refcoco': 'refcoco/refs(unc).p',
    'refcoco+': 'refcoco+/refs(unc).p',
    'refcocog': 'refcocog/refs(umd).p',
}
