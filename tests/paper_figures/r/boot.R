# boot on our data set: the difference of the areas under the ROC curve, whole patients resampled; acceleration by the usual jackknife.
library(boot)
say <- function(name, ...) cat(name, formatC(c(...), digits = 10, format = "g"), "\n")
set.seed(20261124)
data <- read.csv("scores.csv")
rows <- split(seq_len(nrow(data)), data$patient)
area <- function(score, label) {
  m <- sum(label == 1); n <- sum(label == 0)
  (sum(rank(score)[label == 1]) - m * (m + 1) / 2) / (m * n)
}
difference <- function(patients, i) {
  chosen <- data[unlist(rows[patients[i]]), ]
  area(chosen$a, chosen$label) - area(chosen$b, chosen$label)
}
patients <- seq_along(rows)
found <- boot(patients, difference, R = 20000)
say("estimate", found$t0)
say("se", sd(found$t))
left_out <- sapply(patients, function(k) difference(patients, patients[-k]))
L <- (length(patients) - 1) * (mean(left_out) - left_out)
say("acceleration", sum(L^3) / (6 * sum(L^2)^1.5))
ends <- boot.ci(found, type = c("perc", "basic", "bca"), L = L)
say("percentile", ends$percent[4:5])
say("basic", ends$basic[4:5])
say("bca", ends$bca[4:5])
