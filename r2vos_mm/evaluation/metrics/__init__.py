from .jfr_metric import JFRMetric

__all__ = ['JFRMetric']
