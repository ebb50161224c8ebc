# The study of test_sweeps.py as a plain loop in R: power of Welch's t test over four effects, replicates shared among cores.
# Prints the seconds the loop took, without R's own start.
words <- commandArgs(trailingOnly = TRUE)
replicates <- as.integer(words[1])
cores <- as.integer(words[2])
RNGkind("L'Ecuyer-CMRG")
set.seed(1)

one <- function(i, delta) {
  found <- t.test(rnorm(30, delta), rnorm(30))
  c(estimate = unname(found$estimate[1] - found$estimate[2]), se = found$stderr, p = found$p.value)
}

began <- proc.time()[["elapsed"]]
results <- lapply(c(0, 0.25, 0.5, 0.75), function(delta) {
  rows <- parallel::mclapply(seq_len(replicates), one, delta = delta, mc.cores = cores)
  cbind(delta = delta, do.call(rbind, rows))
})
rejected <- sapply(results, function(table) mean(table[, "p"] <= 0.05))
cat(proc.time()[["elapsed"]] - began, rejected, "\n")
