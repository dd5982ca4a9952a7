"""The metrics of the eval split that choose an epoch, by the names in the logs."""

NDCG, AUC, RMSE = "ndcg", "auc", "rmse"
MODES = {
    NDCG: "max",
    AUC: "max",
    RMSE: "min",
}  # metric → whether more or less is better
