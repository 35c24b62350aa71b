# Negative pairs also train the scores and the mask of the query that answers, to be empty.
_base_ = './r2vos.py'
model = dict(negatives_train='masks')
