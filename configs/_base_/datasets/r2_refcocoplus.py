# RefCOCO+ with negative pairs: images without the object of an expression. Write them first:
#   r2vos data pairs --expressions 'data/coco/refcoco+/refs(unc).p' --split val \
#       --negatives-per-positive 1 --out data/coco/pairs/refcoco+-val-easy-n1.json
_base_ = './refcocoplus.py'
pairs_file = 'pairs/refcoco+-val-easy-n1.json'
val_dataloader = dict(dataset=dict(pairs_file=pairs_file))
test_dataloader = dict(dataset=dict(pairs_file=pairs_file))
val_evaluator = _base_.pairs_evaluator
test_evaluator = _base_.pairs_evaluator
