"""Implicit ALS, one user at a time.

Rendle, Krichene, Zhang, Koren: "Revisiting the Performance of iALS on Item
Recommendation Benchmarks", RecSys 2022, https://arxiv.org/abs/2110.14037. Its
objective (equations 1 to 3, with the regularisation of equation 10 and nu = 1) is

  sum over rated (u, i) of (<w_u, h_i> - 1)^2
  + alpha_0 sum over all (u, i) of <w_u, h_i>^2
  + lambda (sum_u (|I_u| + alpha_0 |I|) |w_u|^2 + sum_i (|U_i| + alpha_0 |U|) |h_i|^2)

whose minimum over one w_u, all else fixed, is the solution of (equation 4)

  (sum_{i rated by u} h_i h_i^T + alpha_0 sum_i h_i h_i^T
   + lambda (|I_u| + alpha_0 |I|) 1) w_u = sum_{i rated by u} h_i .
"""

import numpy as np


def solve_row(rated, others, weight, regularization, num_columns):
    """Returns w_u [D] in float64.

    Args:
        rated: h_i of the items that u rated, [n, D].
        others: h_i of all items, [I, D].
        weight: alpha_0.
        regularization: Lambda.
        num_columns: |I|.
    """
    rated, others = np.asarray(rated, np.float64), np.asarray(others, np.float64)
    dim = others.shape[1]
    system = np.zeros((dim, dim))
    right_hand = np.zeros(dim)
    for h in rated:
        system += np.outer(h, h)
        right_hand += h
    for h in others:
        system += weight * np.outer(h, h)
    system += regularization * (len(rated) + weight * num_columns) * np.eye(dim)
    return np.linalg.solve(system, right_hand)


def alternate(pairs, user, item, epochs, weight, regularization, num_reserved=2):
    """Solves users, then items, a number of times.

    Args:
        pairs: Pairs of user and item indices.
        user: The start, [U, D]; only its shape is read.
        item: The start, [I, D].
        epochs: Number of alternations.
        weight: alpha_0.
        regularization: Lambda.
        num_reserved: Number of rows that belong to no user and no item.

    Returns:
        Users [U, D] and items [I, D]; rows without a pair are 0.
    """
    user, item = np.array(user, np.float64), np.array(item, np.float64)

    def side(rows, columns, neighbours):
        solved = np.zeros_like(rows)
        for row in range(len(rows)):
            rated = [columns[n] for n in neighbours(row)]
            if rated:
                solved[row] = solve_row(
                    rated, columns, weight, regularization, len(columns) - num_reserved
                )
        return solved

    for _ in range(epochs):
        user = side(user, item, lambda row: [i for u, i in pairs if u == row])
        item = side(item, user, lambda row: [u for u, i in pairs if i == row])
    return user, item
