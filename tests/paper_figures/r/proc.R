# pROC on our data set: areas, DeLong's covariance, interval, paired test; sensitivity where specificity is at least .8.
suppressMessages(library(pROC))
say <- function(name, ...) cat(name, formatC(c(...), digits = 10, format = "g"), "\n")
data <- read.csv("scores.csv")
a <- roc(data$label, data$a, direction = "<", quiet = TRUE)
b <- roc(data$label, data$b, direction = "<", quiet = TRUE)
say("auc", auc(a), auc(b))
say("variance", var(a, method = "delong"), var(b, method = "delong"))
say("covariance", cov(a, b, method = "delong"))
say("interval", ci.auc(a, method = "delong")[c(1, 3)])
test <- roc.test(a, b, method = "delong", paired = TRUE)
say("test", test$statistic, test$p.value)
say("sensitivity", max(a$sensitivities[a$specificities >= 0.8]), max(b$sensitivities[b$specificities >= 0.8]))
part <- function(roc, range, focus, correct) auc(roc, partial.auc = range, partial.auc.focus = focus, partial.auc.correct = correct)
for (focus in c("sp", "se")) for (correct in c(FALSE, TRUE)) {
  say(paste0("partial_", focus, if (correct) "_mcclish"), part(a, c(1, 0.8), focus, correct), part(b, c(1, 0.8), focus, correct))
}
say("partial_inner", part(a, c(0.7, 0.45), "sp", FALSE), part(b, c(0.7, 0.45), "sp", FALSE))
