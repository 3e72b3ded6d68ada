/* Exits with the status given: `status 42`. */
#include "guest.h"

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    return (int)count_argument(argc, argv, 0);
}
