/* What the reconciler remembers from round to round: clocks only. */
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "workload/reconciler.h"

static int compare_pods(const void *a, const void *b)
{
	return strcmp(((const struct pod_memo *)a)->name, ((const struct pod_memo *)b)->name);
}

static int compare_workloads(const void *a, const void *b)
{
	int64_t x = ((const struct workload_memo *)a)->ser;
	int64_t y = ((const struct workload_memo *)b)->ser;

	return (x > y) - (x < y);
}

static int remember_pods(struct reconciler *reconciler, size_t n_pods, struct err *err)
{
	struct pod_memo *memos = calloc(n_pods + 1, sizeof(*memos));
	size_t count = 0;

	if (!memos)
		return err_oom(err);
	for (size_t i = 0; i < reconciler->n_rows; i++) {
		for (size_t j = 0; j < reconciler->rows[i].n_pods; j++) {
			struct pod_memo key = { .name = "" };

			str_copy(key.name, sizeof(key.name), reconciler->rows[i].pods[j].name);
			const struct pod_memo *old = reconciler->n_pod_memos == 0
							     ? NULL
							     : bsearch(&key, reconciler->pod_memos,
								       reconciler->n_pod_memos,
								       sizeof(key), compare_pods);
			memos[count++] = old ? *old : key;
		}
	}
	qsort(memos, count, sizeof(*memos), compare_pods);
	free(reconciler->pod_memos);
	reconciler->pod_memos = memos;
	reconciler->n_pod_memos = count;
	return 0;
}

static int remember_workloads(struct reconciler *reconciler, struct err *err)
{
	struct workload_memo *memos = calloc(reconciler->n_rows + 1, sizeof(*memos));

	if (!memos)
		return err_oom(err);
	for (size_t i = 0; i < reconciler->n_rows; i++) {
		struct workload_memo key = { .ser = reconciler->rows[i].ser };
		const struct workload_memo *old =
			reconciler->n_workload_memos == 0
				? NULL
				: bsearch(&key, reconciler->workload_memos,
					  reconciler->n_workload_memos, sizeof(key),
					  compare_workloads);

		memos[i] = old ? *old : key;
	}
	free(reconciler->workload_memos);
	reconciler->workload_memos = memos;
	reconciler->n_workload_memos = reconciler->n_rows;
	return 0;
}

int reconciler_remember(struct reconciler *reconciler, struct err *err)
{
	size_t n_pods = 0;

	for (size_t i = 0; i < reconciler->n_rows; i++)
		n_pods += reconciler->rows[i].n_pods;
	if (remember_pods(reconciler, n_pods, err) < 0 || remember_workloads(reconciler, err) < 0)
		return -1;
	for (size_t i = 0; i < reconciler->n_rows; i++) {
		struct round_workload *workload = &reconciler->rows[i];

		workload->memo = &reconciler->workload_memos[i];
		for (size_t j = 0; j < workload->n_pods; j++) {
			struct pod_memo key = { .name = "" };

			str_copy(key.name, sizeof(key.name), workload->pods[j].name);
			workload->pods[j].memo =
				bsearch(&key, reconciler->pod_memos, reconciler->n_pod_memos,
					sizeof(key), compare_pods);
		}
	}
	return 0;
}
