# Negative pairs also train the scores of all queries, to be background.
_base_ = './r2vos.py'
model = dict(negatives_train='scores')
