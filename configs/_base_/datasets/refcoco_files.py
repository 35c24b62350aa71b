# Annotation files of the three data sets, relative to the folder of COCO.
coco_root = 'data/coco'
ann_files = {
    'refcoco': 'refcoco/refs(unc).p',
    'refcoco+': 'refcoco+/refs(unc).p',
    'refcocog': 'refcocog/refs(umd).p',
}
# Metrics of the sets with negative pairs (r2_refcoco*.py).
pairs_evaluator = dict(
    protocols=['refcoco', 'per_expression'],
    groups=['quality', 'robustness', 'cgf1', 'verdict', 'no_target', 'boxes'],
)
