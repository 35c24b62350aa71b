# Negative pairs train the verdict only, as in the paper.
_base_ = './r2vos.py'
model = dict(negatives_train='verdict')
